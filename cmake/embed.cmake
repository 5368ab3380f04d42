# Run as a script: writes FILE's bytes into OUT as a C++ initialiser list.
#   cmake -DFILE=pause -DOUT=pause_bytes.inc -P embed.cmake
file(READ ${FILE} bytes HEX)
string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${bytes}")
file(WRITE ${OUT} "${bytes}\n")
