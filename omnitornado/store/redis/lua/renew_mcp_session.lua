local id = ARGV[2]
local session = find('mcp_session', id)
if not session then return false end
local renewed_at = session.renewed_at ~= 0 and session.renewed_at or session.created_at
local lifetime = session.expires_at - renewed_at
if now >= session.expires_at - lifetime / 2 then
  session.expires_at, session.renewed_at = now + lifetime, now
  put(id, session)
end
return pack(session)
