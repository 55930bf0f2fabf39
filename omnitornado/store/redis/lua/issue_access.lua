local access = parse('access', ARGV[3])
if not find('grant', access.grant_id) then return 0 end
add_access(ARGV[2], access)
return 1
