-- A block: moves the id of the first job that waits to the worker's list, and sets `following` to it, or to false.
use(QUEUE)
local held = WAITING .. ':' .. worker
local following = call('LMOVE', WAITING .. '.high', held, 'LEFT', 'RIGHT')
  or call('LMOVE', WAITING, held, 'LEFT', 'RIGHT')
  or call('LMOVE', WAITING .. '.low', held, 'LEFT', 'RIGHT')
