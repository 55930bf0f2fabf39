start_grant(ARGV[2], parse('grant', ARGV[3]), ARGV[4], parse('access', ARGV[5]))
