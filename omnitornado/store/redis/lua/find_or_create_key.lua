local key = find_key('key', ARGV[2])
local known = redis.call('GET', key)
if known then return known end
redis.call('SET', key, ARGV[3])
return ARGV[3]
