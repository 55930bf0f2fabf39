local id = ARGV[2]
if not find('grant', id) then return 0 end
end_grant(id)
return 1
