-- Take a number for a part of an upload: each is greater than those before, and none is taken twice.
-- KEYS[1]: the upload.
-- Returns the number, 0 where the upload is whole or not kept.
local upload = KEYS[1]
if redis.call('HEXISTS', upload, 'begun') == 0 then return 0 end
return redis.call('HINCRBY', upload, 'part_number', 1)
