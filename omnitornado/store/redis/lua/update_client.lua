local id, client = ARGV[2], parse('client', ARGV[4])
local known = find('client', id)
if not known or known.registration_hash == '' or known.registration_hash ~= ARGV[3] then return false end
client.issued_at, client.expires_at = known.issued_at, known.expires_at
client.used_at, client.used_by = known.used_at, known.used_by
put(id, client)
return pack(client)
