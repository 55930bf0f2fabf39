local id, grant_id, grant = ARGV[2], ARGV[4], parse('grant', ARGV[5])
local device = find('device', id)
if not device or device.device_hash ~= ARGV[3] or device.client_id ~= grant.client_id
  or device.username ~= grant.username then
  return 'missing'
end
if device.grant_id ~= '' then
  -- Two parties hold the device code, so one of them stole it.
  if get('grant', device.grant_id) then end_grant(device.grant_id) end
  return 'already_used'
end
if device.is_approved == '' or now >= device.code_expires_at then return 'missing' end
device.grant_id = grant_id
device.expires_at = math.max(device.expires_at, now + tonumber(ARGV[8]))
put(id, device)
start_grant(grant_id, grant, ARGV[6], parse('access', ARGV[7]))
return 'redeemed'
