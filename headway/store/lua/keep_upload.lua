-- Keep an upload for as long as the tasks are kept that use it, if there are some.
-- KEYS[1]: the upload.
-- Returns what is noted of it, a JSON object, '' where it is not kept.
local upload = KEYS[1]
if redis.call('HEXISTS', upload, 'about') == 0 then return '' end
local ttl = users_ttl(upload)
if ttl > 0 then redis.call('PEXPIRE', upload, integer(ttl)) end
return redis.call('HGET', upload, 'about')
