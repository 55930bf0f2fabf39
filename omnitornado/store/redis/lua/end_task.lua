local id = ARGV[2]
local task = find('task', id)
if not task then return false end
if task.status == 'working' then
  task.status, task.cause, task.sealed, task.updated_at = ARGV[3], ARGV[4], ARGV[5], now
  put(id, task)
  if #task.sealed > 0 then
    local sizes = P .. 'task-bytes:' .. task.username
    local left = redis.call('PTTL', sizes)
    redis.call('HSET', sizes, id, #task.sealed)
    keep(sizes, task.expires_at, left)
  end
end
return pack(task)
