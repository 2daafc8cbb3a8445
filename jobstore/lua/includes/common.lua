-- Opens every script: the two databases, the clock and the names of the keys.
-- ARGV[1] database of the connection, ARGV[2] of the records, ARGV[3] of the queue and its workers, ARGV[4] name of the
-- queue; the script's own arguments begin at ARGV[5].
local HOME, RECORDS, QUEUE, WAITING = ARGV[1], ARGV[2], ARGV[3], 'hotqueue:' .. ARGV[4]
local WAKE, RESERVING = WAITING .. '.wake', WAITING .. '.reserving'
local HOUSEKEEPER, STOPS = WAITING .. '.housekeeper', WAITING .. '.stops'
-- The keys of the default queue's workers have no name in them: any release before had these for every queue.
local WORKERS, WORKER = 'workers', 'worker.'
if ARGV[4] ~= 'queue' then WORKERS, WORKER = WAITING .. '.workers', WAITING .. '.worker.' end
local database = HOME
local call = redis.call

local function select_db(wanted)
  if wanted ~= database then
    call('SELECT', wanted)
    database = wanted
  end
end

local function answer(...)
  select_db(HOME)
  return {...}
end

local clock = call('TIME')
local now_us = clock[1] .. string.rep('0', 6 - #clock[2]) .. clock[2]
