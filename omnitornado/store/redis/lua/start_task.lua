local id, task = ARGV[2], parse('task', ARGV[3])
local mine, sizes = find_index('task', 'person', task.username), P .. 'task-bytes:' .. task.username
local living, count, bytes = {}, 0, 0
for _, one in ipairs(redis.call('ZRANGEBYSCORE', mine, '(' .. string.format('%.17g', now), '+inf')) do
  if redis.call('EXISTS', find_key('task', one)) == 1 then
    living[one], count = true, count + 1
  end
end
local kept = redis.call('HGETALL', sizes)
for i = 1, #kept, 2 do
  if living[kept[i]] then bytes = bytes + tonumber(kept[i + 1]) end
end
if count >= LIMITS.tasks_per_person or bytes >= LIMITS.task_bytes_per_person then return 0 end
put(id, task)
redis.call('HDEL', sizes, id)
for i = 1, #kept, 2 do
  if redis.call('EXISTS', find_key('task', kept[i])) == 0 then redis.call('HDEL', sizes, kept[i]) end
end
return 1
