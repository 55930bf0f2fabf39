local id = ARGV[2]
local device = find('device', id)
if not device or device.device_hash ~= ARGV[3] or device.username ~= '' or now >= device.code_expires_at then
  return false
end
device.username, device.is_approved = ARGV[4], ARGV[5]
if device.is_approved ~= '' then device.scope = ARGV[6] end
put(id, device)
return pack(device)
