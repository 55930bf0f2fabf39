local id = ARGV[2]
local grant = find('grant', id)
if not grant or now - grant.last_used_at < tonumber(ARGV[3]) then return 0 end
grant.last_used_at = now
put(id, grant)
return 1
