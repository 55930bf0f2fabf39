local id, request = ARGV[2], parse('pushed', ARGV[3])
-- There may be ten thousand, of several KB each: what must go is found without a look at any. Those past their
-- time go first, then the ones pushed longest ago, by an index of its own.
local by_end, by_age = find_index('pushed', 'all', request.party), find_index('pushed', 'age', request.party)

local function drop(ids)
  for _, one in ipairs(ids) do
    delete('pushed', one)
    redis.call('ZREM', by_end, one)
    redis.call('ZREM', by_age, one)
  end
end

drop(redis.call('ZRANGEBYSCORE', by_end, '-inf', now - MARGIN))
local before = get('pushed', id)
if before and before.party ~= request.party then
  redis.call('ZREM', find_index('pushed', 'age', before.party), id)
end
local known = redis.call('ZSCORE', by_age, id) and 1 or 0
local excess = find_excess_count(redis.call('ZCARD', by_age) + 1 - known, LIMITS.pushed_requests)
if excess > 0 then
  local past = redis.call('ZRANGEBYSCORE', by_end, '-inf', now, 'LIMIT', 0, excess)
  drop(past)
  if #past < excess then drop(redis.call('ZRANGE', by_age, 0, excess - #past - 1)) end
end
put(id, request)
local left = redis.call('PTTL', by_age)
redis.call('ZADD', by_age, request.pushed_at, id)
keep(by_age, request.expires_at, left)
