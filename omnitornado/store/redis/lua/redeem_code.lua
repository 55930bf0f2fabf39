local id, grant_id = ARGV[2], ARGV[3]
local code = find('code', id)
if not code then return 'missing' end
if code.grant_id ~= '' then
  -- Two parties hold the code, so one of them stole it: what it gave ends (RFC 6749 §4.1.2).
  if get('grant', code.grant_id) then end_grant(code.grant_id) end
  return 'already_used'
end
code.grant_id = grant_id
code.expires_at = math.max(code.expires_at, now + tonumber(ARGV[7]))
put(id, code)
start_grant(grant_id, parse('grant', ARGV[4]), ARGV[5], parse('access', ARGV[6]))
return 'redeemed'
