local id = ARGV[2]
local device = find('device', id)
if not device or device.device_hash ~= ARGV[3] or device.client_id ~= ARGV[4] then return { 'missing' } end
if device.grant_id ~= '' then return { 'redeemed', pack(device) } end
if now >= device.code_expires_at then return { 'expired', pack(device) } end
if device.username ~= '' then
  return { device.is_approved ~= '' and 'approved' or 'denied', pack(device) }
end
local tolerance, step, longest = tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])
local is_hasty = device.polled_at > 0 and now - device.polled_at < device.interval - tolerance
if is_hasty then
  device.interval = math.max(math.min(device.interval + step, longest), device.interval)
end
device.polled_at = now
put(id, device)
return { is_hasty and 'slow_down' or 'pending', pack(device) }
