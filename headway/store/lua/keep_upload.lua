-- Keep an upload for as long as the tasks are kept that use it, if there are some.
-- KEYS[1]: the upload.
-- Returns what is noted of it, whole or begun, a JSON object, '' where it is not kept.
local upload = KEYS[1]
local ttl = users_ttl(upload)
if ttl > 0 then redis.call('PEXPIRE', upload, integer(ttl)) end
return redis.call('HGET', upload, 'about') or redis.call('HGET', upload, 'begun') or ''
