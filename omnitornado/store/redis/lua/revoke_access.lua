local id = ARGV[2]
local access = find('access', id)
if not access or not find('grant', access.grant_id) then return 0 end
delete('access', id)
return 1
