-- Files that people have uploaded for tasks; the files themselves lie elsewhere.
--
-- An upload is a hash: its `owner` ('' nobody's), `about`, a JSON object as note_file.lua notes of a
-- task's file, and a field `task:<id>` for each task that has it as an argument. One that comes in
-- pieces has `begun`, such an object, in the place of `about` until it is whole; where it comes into
-- a bucket, also `parts`, in which its bytes lie (headway/files/bucket/parts.py), and `part_number`, the
-- last number that a part took. With a task an upload is kept as long as one that has not ended, and
-- the cleaner has it expire with the last of them. The record of such a task names its uploads in
-- the field `uploads`, with spaces between.
--
-- An account is a hash of how much an owner, or an address, has uploaded: by the upload's id,
-- '<bytes> <until>': it counts until that time (us), and while there is the upload.

local function upload_key(id) return PREFIX .. 'headway:upload:' .. id end

-- Keep an upload for a task, for `ttl` ms at least. Return whether there is one.
local function hold_upload(upload_id, task_id, ttl)
  local key = upload_key(upload_id)
  if redis.call('HEXISTS', key, 'about') == 0 then return false end
  redis.call('HSET', key, 'task:' .. task_id, 1)
  if redis.call('PTTL', key) < ttl then redis.call('PEXPIRE', key, integer(ttl)) end
  return true
end

-- The largest TTL, in ms, of the tasks that use an upload, 0 where none is left; it forgets those
-- that are gone.
local function users_ttl(key)
  local longest = 0
  for _, field in ipairs(redis.call('HKEYS', key)) do
    local task_id = string.match(field, '^task:(.+)$')
    if task_id then
      local record = record_key(task_id)
      if redis.call('HEXISTS', record, 'phase') == 1 then
        longest = math.max(longest, redis.call('PTTL', record))
      else
        redis.call('HDEL', key, field)
      end
    end
  end
  return longest
end

-- Delete a forgotten task's uploads, except for those that other tasks use.
local function release_uploads(names, task_id)
  for upload_id in string.gmatch(names or '', '%S+') do
    local key = upload_key(upload_id)
    redis.call('HDEL', key, 'task:' .. task_id)
    if users_ttl(key) == 0 then redis.call('DEL', key) end
  end
end
