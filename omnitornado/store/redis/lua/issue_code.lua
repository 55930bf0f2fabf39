local id, code, bound_client, pushed, is_unasked = ARGV[2], parse('code', ARGV[3]), ARGV[4], ARGV[6], ARGV[7] == '1'
-- From here on three for each consent: the person, the consent's name, the consent.
local FIRST = 8

local function find_names(packed)
  local names = {}
  for _, name in ipairs(cmsgpack.unpack(packed)) do names[name] = true end
  return names
end

local function find_consent(i)
  local raw = redis.call('HGET', P .. 'consents:' .. ARGV[i], ARGV[i + 1])
  return raw and parse('consent', raw)
end

local function is_covered(i)
  local known = find_consent(i)
  if not known then return false end
  local has = find_names(known.scope)
  for name in pairs(find_names(parse('consent', ARGV[i + 2]).scope)) do
    if not has[name] then return false end
  end
  return true
end

local function is_all_covered()
  for i = FIRST, #ARGV, 3 do
    if not is_covered(i) then return false end
  end
  return #ARGV >= FIRST
end

local function remember(i)
  local key, name, consent, known = P .. 'consents:' .. ARGV[i], ARGV[i + 1], parse('consent', ARGV[i + 2]), find_consent(i)
  if known then
    local scope, has = cmsgpack.unpack(known.scope), find_names(known.scope)
    for _, one in ipairs(cmsgpack.unpack(consent.scope)) do
      if not has[one] then scope[#scope + 1] = one end
    end
    consent.scope = cmsgpack.pack(scope)
  end
  local excess = find_excess_count(redis.call('HLEN', key) + (known and 0 or 1), LIMITS.consents_per_person)
  if excess > 0 then
    local found, all = {}, redis.call('HGETALL', key)
    for j = 1, #all, 2 do
      if all[j] ~= name then found[#found + 1] = { id = all[j], record = parse('consent', all[j + 1]) } end
    end
    for _, one in ipairs(choose(found, excess, function(r) return r.granted_at, 0 end)) do
      redis.call('HDEL', key, one)
    end
  end
  redis.call('HSET', key, name, pack(consent))
end

local request = pushed ~= '' and find('pushed', pushed)
if pushed ~= '' then
  if not request or request.client_id ~= code.client_id then return 'request_gone' end
end
if is_unasked and not is_all_covered() then return 'consent_gone' end
local bound = bound_client ~= '' and get('binding', bound_client)
if bound and bound.redirect_uri ~= parse('binding', ARGV[5]).redirect_uri then return 'bound_elsewhere' end

local mine = find_index('code', 'person', code.username)
-- One that was used is known for a replay alone: it goes before one that waits for its client.
local gone = find_excess('code', mine, LIMITS.codes_per_person, id, function(r)
  return r.grant_id == '' and 1 or 0, r.expires_at
end)
put(id, code)
for _, one in ipairs(gone) do delete('code', one) end
if pushed ~= '' then
  delete('pushed', pushed)
  redis.call('ZREM', find_index('pushed', 'age', request.party), pushed)
end
if bound_client ~= '' and not bound then put(bound_client, parse('binding', ARGV[5])) end
for i = FIRST, #ARGV, 3 do remember(i) end
return 'issued'
