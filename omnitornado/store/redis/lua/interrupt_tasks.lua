-- Tasks of one path, or with an empty one of all, of this node and of those that have not been heard of: at most
-- so many a call. A node without any tasks left is forgotten.
local path, own, patience, most = ARGV[2], ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5])
local time = redis.call('TIME')
local silent_since = tonumber(time[1]) + tonumber(time[2]) / 1e6 - patience
local count = 0

local function interrupt(node)
  local index = find_index('task', 'node', node)
  for _, id in ipairs(list(index)) do
    local task = get('task', id)
    if not task or is_past(task) then
      redis.call('ZREM', index, id)
    elseif path == '' or task.path == path then
      if count == most then return end
      task.status, task.cause, task.updated_at = 'failed', 'interrupted', now
      put(id, task)
      count = count + 1
    end
  end
  if node ~= own and redis.call('ZCARD', index) == 0 then redis.call('ZREM', P .. 'nodes', node) end
end

if path ~= '' then interrupt(own) end
for _, node in ipairs(redis.call('ZRANGEBYSCORE', P .. 'nodes', '-inf', silent_since)) do
  if node ~= own then interrupt(node) end
end
return count
