-- Microseconds as text: Lua would print a number of this size with fourteen digits.
local function integer(number)
  return string.format('%d', math.floor(number))
end
