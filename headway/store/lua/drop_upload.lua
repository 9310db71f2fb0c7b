-- Forget an upload, if no task uses it.
-- KEYS[1]: the upload.
-- Returns 1 if it is forgotten, 0 where a task uses it.
local upload = KEYS[1]
if users_ttl(upload) > 0 then return 0 end
redis.call('DEL', upload)
return 1
