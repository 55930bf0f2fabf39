-- This node lives. Gives how many seconds ago it was last heard of; -1 for never.
local own = ARGV[2]
local time = redis.call('TIME')
local instant = tonumber(time[1]) + tonumber(time[2]) / 1e6
local last = redis.call('ZSCORE', P .. 'nodes', own)
redis.call('ZADD', P .. 'nodes', instant, own)
return last and tostring(instant - tonumber(last)) or '-1'
