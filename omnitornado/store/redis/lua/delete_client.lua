local id = ARGV[2]
local known = find('client', id)
if not known or known.registration_hash == '' or known.registration_hash ~= ARGV[3] then return false end
local living = 0
for _, grant in ipairs(list(find_index('grant', 'client', id))) do
  if find('grant', grant) then living = living + 1 end
  end_grant(grant)
end
for _, kind in ipairs({ 'code', 'device' }) do
  for _, one in ipairs(list(find_index(kind, 'client', id))) do delete(kind, one) end
end
delete('client', id)
return living
