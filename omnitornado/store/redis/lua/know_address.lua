local id, known = ARGV[2], parse('address', ARGV[3])
local mine = find_index('address', 'person', known.username)
local gone = find_excess('address', mine, LIMITS.known_addresses_per_person, id, function(r)
  return r.expires_at, 0
end)
for _, one in ipairs(gone) do delete('address', one) end
put(id, known)
