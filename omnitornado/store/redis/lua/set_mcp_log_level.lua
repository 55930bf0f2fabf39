local id = ARGV[2]
local session = find('mcp_session', id)
if not session then return 0 end
if session.log_level ~= ARGV[3] then
  session.log_level = ARGV[3]
  put(id, session)
end
return 1
