-- Whether there was a living record of this kind and id; it is gone now.
local known = find(ARGV[2], ARGV[3])
delete(ARGV[2], ARGV[3])
return known and 1 or 0
