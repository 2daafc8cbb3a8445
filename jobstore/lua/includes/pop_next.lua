-- A block: moves the id of the first job that waits to the worker's list, and sets `next_id` to it, or to false.
select_db(QUEUE)
local held = WAITING .. ':' .. worker
local next_id = call('LMOVE', WAITING .. '.high', held, 'LEFT', 'RIGHT')
  or call('LMOVE', WAITING, held, 'LEFT', 'RIGHT')
  or call('LMOVE', WAITING .. '.low', held, 'LEFT', 'RIGHT')
