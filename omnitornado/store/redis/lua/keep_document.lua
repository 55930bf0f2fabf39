local url, kept = ARGV[2], parse('document', ARGV[3])
local known = find('document', url)
kept.used_at = known and known.used_at or NEVER
if kept.used_at == NEVER then
  local unused = find_index('document', 'unused', '')
  local gone = find_excess('document', unused, LIMITS.unused_documents, url, function(r)
    return r.fetched_at, 0
  end)
  for _, one in ipairs(gone) do delete('document', one) end
end
put(url, kept)
