local id, device = ARGV[2], parse('device', ARGV[3])
if find('device', id) then return 'taken' end
local all = find_index('device', 'all', '')
redis.call('ZREMRANGEBYSCORE', all, '-inf', now)
if redis.call('ZCARD', all) >= LIMITS.device_codes then return 'full' end
put(id, device)
return 'opened'
