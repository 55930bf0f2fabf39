local id, session = ARGV[2], parse('mcp_session', ARGV[3])
local mine = find_index('mcp_session', 'person', session.username)
local gone = find_excess('mcp_session', mine, LIMITS.mcp_sessions_per_person, id, function(r)
  return r.renewed_at ~= 0 and r.renewed_at or r.created_at, 0
end)
for _, one in ipairs(gone) do delete('mcp_session', one) end
put(id, session)
