local id, presented = ARGV[2], ARGV[3]
local grant = find('grant', id)
-- A grant without a refresh token has none that could be reused: whoever asks made this one up.
if not grant or grant.client_id ~= ARGV[4] or grant.refresh_hash == '' then return { 'missing' } end
if presented == grant.refresh_hash then
  grant.previous_hash, grant.refresh_hash = grant.refresh_hash, ARGV[6]
  grant.sealed_refresh, grant.sealed_access = ARGV[7], ARGV[8]
  grant.expires_at = tonumber(ARGV[9])
  grant.rotated_at, grant.last_used_at = now, now
  put(id, grant)
  add_access(ARGV[10], parse('access', ARGV[11]))
  return { 'rotated', pack(grant) }
end
if grant.previous_hash ~= '' and now - grant.rotated_at <= tonumber(ARGV[5])
  and presented == grant.previous_hash then
  return { 'retried', pack(grant) }
end
end_grant(id)
return { 'reused', pack(grant) }
