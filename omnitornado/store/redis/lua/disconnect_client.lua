local username, client_id, grant_id = ARGV[2], ARGV[3], ARGV[4]
local grant = find('grant', grant_id)
local known = grant and grant.username == username and grant.client_id == client_id
if known then end_grant(grant_id) end

local consents = P .. 'consents:' .. username
local all = redis.call('HGETALL', consents)
for i = 1, #all, 2 do
  if parse('consent', all[i + 1]).client_id == client_id then redis.call('HDEL', consents, all[i]) end
end
-- One that was redeemed stays: a replay of it still ends what it gave, which may be another grant.
for _, id in ipairs(list(find_index('code', 'person', username))) do
  local code = get('code', id)
  if code and code.client_id == client_id and code.grant_id == '' then delete('code', id) end
end
for _, id in ipairs(list(find_index('device', 'client', client_id))) do
  local device = get('device', id)
  if device and device.username == username and device.is_approved ~= '' and device.grant_id == '' then
    delete('device', id)
  end
end
return known and 1 or 0
