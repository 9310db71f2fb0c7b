-- Tasks of which an owner has one open at a time: those with the same digest of name and text.
--
-- For each digest a key holds the id of the newest of them. It counts while that task's record is
-- open, so nothing has to unlock it: a process that dies keeps nothing.

-- Return the open task of a digest, its id and its record; nil where there is none.
local function open_task(owner, digest)
  local id = digest ~= '' and redis.call('GET', unique_key(owner, digest))
  local held = id and load(record_key(id))
  if held and held.phase and not FINAL[held.phase] then return id, held end
end

-- Have a new record be the newest of its digest; '' for a task that is not unique.
local function note_unique(owner, digest, id, fields, ttl)
  if digest == '' then return end
  fields.unique = digest
  redis.call('SET', unique_key(owner, digest), id, 'PX', integer(ttl + UNENDED))
end

-- Keep the key of a task as long as its record, and no longer than until it ends.
local function keep_unique(record, id, owner, phase, ttl)
  local digest = redis.call('HGET', record, 'unique')
  if not digest then return end
  local key = unique_key(owner, digest)
  if not FINAL[phase] then
    redis.call('PEXPIRE', key, integer(ttl), 'GT')
  elseif redis.call('GET', key) == id then
    redis.call('DEL', key)
  end
end
