#!lua
-- uses: common
-- Write strings, fields of hashes, and members of sets, for whoever founds the collection: nobody
-- can see them yet. Arguments: token; number of strings, then key and value of each; then until
-- there are no more, a command, its key, and how many arguments follow, and they.
local token = take()
if call('HGET', base .. K.META, 'founding') ~= token then
    return {'taken'}
end
for _ = 1, take_number() do
    local key = take()
    call('SET', base .. key, take())
end
while position < #ARGV do
    local command, key, count = take(), take(), take_number()
    call(command, base .. key, unpack(ARGV, position + 1, position + count))
    position = position + count
end
return {'ok'}
