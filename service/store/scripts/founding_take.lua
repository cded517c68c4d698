#!lua flags=allow-oom
-- uses: common
-- Take a founding over from whoever has left it, to clear it away; or end that. Arguments: own token,
-- or '' when everything is cleared away and the token that did. Answer: whether there is something.
local token, own = take(), take()
local found = call('HGET', base .. K.META, 'founding')
if not found then
    return 0
elseif token ~= '' then
    call('HSET', base .. K.META, 'founding', token)
elseif found ~= own then
    return 0
else
    -- Handles may come to mean other articles: what was read of them holds no longer.
    call('HINCRBY', base .. K.META, 'rewritten', 1)
    call('HDEL', base .. K.META, 'founding')
end
return 1
