#!lua
-- uses: common
-- Let one writer found a collection that never held an article. Arguments: fingerprint, its token.
-- Answer: 'ok', or 'holds' and how many articles were ever stored.
local fingerprint, token = take(), take()
local meta = call('HMGET', base .. K.META, 'fingerprint', 'handle', 'founding')
if meta[1] ~= fingerprint then
    return {'mismatch', meta[1] or ''}
elseif (tonumber(meta[2]) or 0) > 0 then
    return {'holds', tonumber(meta[2])}
elseif meta[3] then
    return {'founding'}
end
call('HSET', base .. K.META, 'founding', token)
return {'ok'}
