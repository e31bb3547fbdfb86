#!/bin/sh
# Puts what `make capi` (or `make cuda`) built into $DESTDIR$PREFIX, by name, and builds nothing: make PREFIX=/usr/local install
set -eu
cd "$(dirname "$0")/../build/capi" 2>/dev/null && test -e include/numoptim.h || {
    echo "there is nothing to install yet: make capi first, or make cuda" >&2
    exit 1
}
case $PREFIX in
    /*) ;;
    *) echo "PREFIX=$PREFIX: expected an absolute path" >&2; exit 1 ;;
esac
root=${DESTDIR-}$PREFIX

put() {    # MODE FILE...: each to where it is here
    mode=$1
    shift
    for file; do
        install -D -m "$mode" "$file" "$root/$file"
    done
}

put 644 lib/cmake/numoptim/numoptim-config.cmake lib/cmake/numoptim/numoptim-config-version.cmake
for header in include/numoptim.h include/numoptim_cuda.h; do
    test -e "$header" || continue          # the GPU library is there after `make cuda` alone
    name=$(basename "$header" .h)
    put 644 "$header" "lib/lib$name.a"
    # The line of text that stands for a link in the build is one here: lib<name>.so -> lib<name>.so.MAJOR.MINOR.
    library=$(sed -n 's/^INPUT(\(.*\))$/\1/p' "lib/lib$name.so")
    put 755 "lib/$library"
    ln -sf "$library" "$root/lib/lib$name.so"
    install -d "$root/lib/pkgconfig"
    { printf 'prefix=%s\n' "$(printf %s "$PREFIX" | sed 's/ /\\ /g')"; grep -v ^prefix= "lib/pkgconfig/$name.pc"; } \
        >"$root/lib/pkgconfig/$name.pc"
    chmod 644 "$root/lib/pkgconfig/$name.pc"
done
