local found = {}
for _, id in ipairs(list(find_index('grant', 'person', ARGV[2]))) do
  local grant = redis.call('GET', find_key('grant', id))
  if grant then found[#found + 1] = grant end
end
return found
