local id, party, ends = ARGV[2], P .. 'used:' .. ARGV[3], tonumber(ARGV[4])
-- Of each purpose by itself: whoever fills one, as anybody can with proofs, takes no room of another.
local all = find_index('used', 'purpose', ARGV[5])
local until_when = redis.call('ZSCORE', party, id)
if until_when and tonumber(until_when) > now then return 'replayed' end

local function count(key, latest)
  redis.call('ZREMRANGEBYSCORE', key, '-inf', latest)
  return redis.call('ZCARD', key)
end

-- What is past is kept a while longer: another node's clock may be behind.
local function has_room(key, limit)
  local known = redis.call('ZSCORE', key, id) and 1 or 0
  if redis.call('ZCARD', key) - known < limit then return true end
  if count(key, now - MARGIN) - known < limit then return true end
  return count(key, now) < limit
end

if not has_room(party, LIMITS.used_values_per_party) or not has_room(all, LIMITS.used_values) then
  return 'full'
end
for _, key in ipairs({ party, all }) do join(key, id, ends) end
return 'first'
