local id, uri, is_wanted = ARGV[2], ARGV[3], ARGV[4] == '1'
local session = find('mcp_session', id)
if not session then return 0 end
local others, has = {}, false
for _, one in ipairs(cmsgpack.unpack(session.subscriptions)) do
  if one == uri then has = true else others[#others + 1] = one end
end
if has == is_wanted then return 1 end
if is_wanted then others[#others + 1] = uri end
session.subscriptions = cmsgpack.pack(others)
put(id, session)
return 1
