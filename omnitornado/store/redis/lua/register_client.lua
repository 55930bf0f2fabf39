local id, client = ARGV[2], parse('client', ARGV[3])
local known = find('client', id)
if known and known.used_at ~= NEVER then
  client.used_at, client.used_by, client.expires_at = known.used_at, known.used_by, NEVER
end
local unused = find_index('client', 'unused', '')
local gone = find_excess('client', unused, LIMITS.unused_clients, id, function(r) return r.issued_at, 0 end)
for _, one in ipairs(gone) do delete('client', one) end
put(id, client)
return gone
