-- bare: the hot path. An access token's record starts with its end (8 bytes) and its grant's id (4 for the size).
local access = redis.call('GET', KEYS[1] .. 'access:' .. ARGV[2])
if not access then return false end
local size = struct.unpack('>I4', access, 9)
local grant = redis.call('GET', KEYS[1] .. 'grant:' .. string.sub(access, 13, 12 + size))
return grant and { access, grant }
