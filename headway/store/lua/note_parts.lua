-- Note which parts of an upload are stored, if nobody else has noted some since they were read.
-- KEYS[1]: the upload. ARGV[1]: what is noted of them, '' for nothing yet; ARGV[2]: what is to be.
-- Returns 1 if that is noted now, also from before; 0 where something else is, or the upload is
-- whole or not kept.
local upload = KEYS[1]
local before = ARGV[1]
local after = ARGV[2]
if redis.call('HEXISTS', upload, 'begun') == 0 then return 0 end
local noted = redis.call('HGET', upload, 'parts') or ''
if noted == after then return 1 end
if noted ~= before then return 0 end
redis.call('HSET', upload, 'parts', after)
return 1
