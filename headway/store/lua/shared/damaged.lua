-- How functions go on where another program has written to a key of Headway's.
--
-- A key that holds another type is set aside, and the call goes on as if there had been none: one
-- such key must not stop the others' tasks, nor its own owner for ever. A function that may not
-- write reads it as missing. The worker that sweeps logs what was set aside.

-- The number in a field or a key, 0 if it is missing or no number.
local function number(value)
  local found = tonumber(value or 0)
  return found and found == found and math.abs(found) < math.huge and found or 0
end

local function has_wrong_type(key, problem)
  return string.find(problem, 'WRONGTYPE', 1, true) == 1
    and string.sub(key, 1, #PREFIX + 8) == PREFIX .. 'headway:'
end

-- Redis's own functions, looked up as they are called: a library that is being loaded lacks them.
local function server() return redis end
local function try(...) return redis.pcall(...) end

local function call(command, ...)
  local reply = try(command, ...)
  if type(reply) ~= 'table' or not reply.err then return reply end
  local key = ...
  if not key or not has_wrong_type(key, reply.err) then error(reply) end
  local aside = SET_ASIDE .. ':' .. key
  local moved = try('RENAME', key, aside)
  if type(moved) == 'table' and moved.err then
    if not string.find(moved.err, 'read-only scripts', 1, true) then error(moved) end
    return try(command, SET_ASIDE .. ':nothing', select(2, ...))
  end
  try('PEXPIRE', aside, 7 * 24 * 3600 * 1000)
  call('SADD', SET_ASIDE, key)
  return call(command, ...)
end

local function acl_check_cmd(...) return redis.acl_check_cmd(...) end

local redis = {call = call, pcall = try, acl_check_cmd = acl_check_cmd,
  register_function = redis.register_function}
