local id, session, replaces = ARGV[2], parse('session', ARGV[3]), ARGV[4]
local mine = find_index('session', 'person', session.username)
local adding = replaces == '' and id or replaces
local gone = find_excess('session', mine, LIMITS.browser_sessions_per_person, adding, function(r)
  return r.signed_in_at, 0
end)
for _, one in ipairs(gone) do delete('session', one) end
if replaces ~= '' then delete('session', replaces) end
put(id, session)
