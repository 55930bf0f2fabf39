-- What the scripts share; KINDS, LIMITS, MARGIN, LARGE and NEVER stand above it (scripts.py).
--
-- A record is a string: the fields that a decision needs, in the order of KINDS, then the rest as it came. An
-- index is a sorted set of ids, scored by when each record ends; both outlive that by MARGIN seconds and no more.
local P, now = KEYS[1], tonumber(ARGV[1])

local function find_key(kind, id)
  return P .. kind .. ':' .. id
end

local function find_index(kind, by, name)
  return P .. kind .. '|' .. by .. ':' .. name
end

local function parse(kind, raw)
  local record, at, size, fields = { kind = kind }, 1, 0, KINDS[kind]
  for i = 1, #fields, 2 do
    if fields[i + 1] then
      record[fields[i]], at = struct.unpack('>d', raw, at)
    else
      size, at = struct.unpack('>I4', raw, at)
      record[fields[i]] = string.sub(raw, at, at + size - 1)
      at = at + size
    end
  end
  record.rest = string.sub(raw, at)
  return record
end

local function pack(record)
  local parts, fields = {}, KINDS[record.kind]
  for i = 1, #fields, 2 do
    local value = record[fields[i]]
    if fields[i + 1] then
      parts[#parts + 1] = struct.pack('>d', value)
    else
      parts[#parts + 1] = struct.pack('>I4', #value)
      parts[#parts + 1] = value
    end
  end
  parts[#parts + 1] = record.rest
  return table.concat(parts)
end

-- The record, living or past its time; nil for none.
local function get(kind, id)
  local raw = redis.call('GET', find_key(kind, id))
  return raw and parse(kind, raw) or nil
end

local function is_past(record)
  return record.expires_at ~= nil and now >= record.expires_at
end

local function find(kind, id)
  local record = get(kind, id)
  return record and not is_past(record) and record or nil
end

local function list(index)
  return redis.call('ZRANGE', index, 0, -1)
end

-- Where a record is counted. With a second name: only if that client is a registered one, for of others (preset
-- ones, and those with a document) nobody asks by client, and they may have millions.
local INDEXES = {
  client = function(r)
    if r.used_at == NEVER then return { { find_index('client', 'unused', '') } } end
    return { { find_index('client', 'person', r.used_by) } }
  end,
  document = function(r)
    return r.used_at == NEVER and { { find_index('document', 'unused', '') } } or {}
  end,
  code = function(r)
    return { { find_index('code', 'person', r.username) },
             { find_index('code', 'client', r.client_id), r.client_id } }
  end,
  grant = function(r)
    return { { find_index('grant', 'person', r.username) },
             { find_index('grant', 'client', r.client_id), r.client_id } }
  end,
  access = function(r) return { { find_index('access', 'grant', r.grant_id) } } end,
  session = function(r) return { { find_index('session', 'person', r.username) } } end,
  mcp_session = function(r) return { { find_index('mcp_session', 'person', r.username) } } end,
  address = function(r) return { { find_index('address', 'person', r.username) } } end,
  task = function(r)
    local found = { { find_index('task', 'person', r.username) } }
    if r.status == 'working' then found[2] = { find_index('task', 'node', r.node) } end
    return found
  end,
  device = function(r)
    return { { find_index('device', 'all', '') }, { find_index('device', 'client', r.client_id) } }
  end,
  pushed = function(r) return { { find_index('pushed', 'all', r.party) } } end,
  binding = function() return {} end,
}

local function find_lifetime(ends)
  return math.min(1e14, math.max(1, math.ceil((ends - now + MARGIN) * 1000)))
end

-- Let a key that holds several things live as long as the one that ends last.
local function keep(key, ends, left)
  if ends == NEVER then
    if left >= 0 then redis.call('PERSIST', key) end
  elseif left ~= -1 and left < find_lifetime(ends) then
    redis.call('PEXPIRE', key, find_lifetime(ends))
  end
end

local function join(index, id, ends)
  redis.call('ZREMRANGEBYSCORE', index, '-inf', now - MARGIN)
  local left = redis.call('PTTL', index)
  redis.call('ZADD', index, ends, id)
  keep(index, ends, left)
end

local function put(id, record)
  local kind, ends = record.kind, record.expires_at or NEVER
  local old, joined = get(kind, id), {}
  -- The first write of a transition: where Redis takes none (no memory, a replica), nothing has changed.
  if ends == NEVER then
    redis.call('SET', find_key(kind, id), pack(record))
  else
    redis.call('SET', find_key(kind, id), pack(record), 'PX', find_lifetime(ends))
  end
  for _, place in ipairs(INDEXES[kind](record)) do
    if not place[2] or redis.call('EXISTS', find_key('client', place[2])) == 1 then
      join(place[1], id, ends)
      joined[place[1]] = true
    end
  end
  for _, place in ipairs(old and INDEXES[kind](old) or {}) do
    if not joined[place[1]] then redis.call('ZREM', place[1], id) end
  end
end

local function delete(kind, id)
  local old = get(kind, id)
  if not old then return end
  redis.call('DEL', find_key(kind, id))
  for _, place in ipairs(INDEXES[kind](old)) do
    redis.call('ZREM', place[1], id)
  end
  if kind == 'access' then redis.call('PUBLISH', P .. 'bus:revoked', 'a' .. id) end
end

-- The first `count` of { id, record } by: past their time, then ascending age, then id.
local function choose(found, count, age)
  for _, one in ipairs(found) do
    one.living = is_past(one.record) and 0 or 1
    one.age, one.then_by = age(one.record)
  end
  table.sort(found, function(a, b)
    if a.living ~= b.living then return a.living < b.living end
    if a.age ~= b.age then return a.age < b.age end
    if a.then_by ~= b.then_by then return a.then_by < b.then_by end
    return a.id < b.id
  end)
  local chosen = {}
  for i = 1, math.min(count, #found) do chosen[i] = found[i].id end
  return chosen
end

local function find_excess_count(count, limit)
  local excess = count - limit
  if excess > 0 and limit >= LARGE then excess = math.max(excess, math.floor(limit / 20)) end
  return excess
end

-- Ids that must go from an index so that with `adding` it has no more than `limit` (store/eviction.py).
local function find_excess(kind, index, limit, adding, age)
  local count = redis.call('ZCARD', index)
  if count + 1 <= limit then return {} end
  local found, others = {}, 0
  for _, id in ipairs(list(index)) do
    local record = get(kind, id)
    if not record then
      redis.call('ZREM', index, id)
    elseif id ~= adding then
      found[#found + 1] = { id = id, record = record }
    end
  end
  local excess = find_excess_count(#found + 1, limit)
  return excess > 0 and choose(found, excess, age) or {}
end

local function end_grant(id)
  local tokens = find_index('access', 'grant', id)
  for _, token in ipairs(list(tokens)) do
    redis.call('DEL', find_key('access', token))
  end
  redis.call('DEL', tokens)
  delete('grant', id)
  redis.call('PUBLISH', P .. 'bus:revoked', 'g' .. id)
end

-- One more token of a grant; over the cap, those that end first go, which stand first in the index.
local function add_access(id, access)
  local index = find_index('access', 'grant', access.grant_id)
  local count = redis.call('ZCARD', index) + (redis.call('ZSCORE', index, id) and 0 or 1)
  local excess = count - LIMITS.access_tokens_per_grant
  if excess > 0 then
    for _, one in ipairs(redis.call('ZRANGE', index, 0, excess)) do
      if one ~= id and excess > 0 then
        redis.call('ZREM', index, one)
        delete('access', one)
        excess = excess - 1
      end
    end
  end
  put(id, access)
end

local function has_grant(client_id)
  for _, id in ipairs(list(find_index('grant', 'client', client_id))) do
    if find('grant', id) then return true end
  end
  return false
end

-- As store/clients.py, use_client.
local function use_client(id, username)
  local client = find('client', id)
  if not client or client.used_at ~= NEVER then return end
  local index = find_index('client', 'person', username)
  local excess = redis.call('ZCARD', index) + 1 - LIMITS.clients_per_person
  if excess > 0 then
    local idle = {}
    for _, one in ipairs(list(index)) do
      local record = get('client', one)
      if not record then
        redis.call('ZREM', index, one)
      elseif not has_grant(one) then
        idle[#idle + 1] = { id = one, record = record }
      end
    end
    local gone = choose(idle, excess, function(r) return r.used_at, 0 end)
    for _, one in ipairs(gone) do delete('client', one) end
  end
  client.used_at, client.used_by, client.expires_at = now, username, NEVER
  put(id, client)
end

local function use_document(url)
  local document = find('document', url)
  if document and document.used_at == NEVER then
    document.used_at = now
    put(url, document)
  end
end

-- A new grant with its first access token, whatever it was made from.
local function start_grant(id, grant, access_id, access)
  local index = find_index('grant', 'person', grant.username)
  local gone = find_excess('grant', index, LIMITS.grants_per_person, id, function(r)
    return r.last_used_at, 0
  end)
  -- Before any grant ends: a client whose last one makes room now is not forgotten with it.
  use_client(grant.client_id, grant.username)
  use_document(grant.client_id)
  for _, one in ipairs(gone) do end_grant(one) end
  put(id, grant)
  for _, one in ipairs(list(find_index('access', 'grant', id))) do
    if one ~= access_id then delete('access', one) end
  end
  put(access_id, access)
end
