-- A block: moves the id of the first job that is reserved or waits to the worker's list, and sets `next_id` to it, or to
-- false.
select_db(QUEUE)
next_id = call('LMOVE', reserved, held, 'LEFT', 'RIGHT')
  or call('LMOVE', WAITING .. '.high', held, 'LEFT', 'RIGHT')
  or call('LMOVE', WAITING, held, 'LEFT', 'RIGHT')
  or call('LMOVE', WAITING .. '.low', held, 'LEFT', 'RIGHT')
