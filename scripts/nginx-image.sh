#!/usr/bin/env bash
# Makes the demo's nginx image from Debian's own packages, without a registry: nginx-image.sh CLOUDLESS OUTPUT.tar
# The result is kept under build/demo and made anew when this script changes.
set -euo pipefail
cloudless=$(realpath "$1")
output=$(realpath -m "$2")
work=$(dirname "$output")/nginx-rootfs
script=$(realpath "$0")
[ -s "$output" ] && [ "$output" -nt "$script" ] && exit 0

rm -rf "$work"
mkdir -p "$work/packages" "$work/root"

# nginx's binary with the libraries that it needs, and the base that any program expects.
packages=(nginx nginx-common base-files libc6 libcrypt1 libpcre2-8-0 libssl3 zlib1g)
(cd "$work/packages" && apt-get download -q "${packages[@]}" >/dev/null)
for package in "$work"/packages/*.deb; do dpkg-deb -x "$package" "$work/root"; done

root=$work/root
rm -rf "$root/usr/share/doc" "$root/usr/share/man" "$root/usr/share/locale" "$root/etc/init.d" "$root/lib/systemd"
mkdir -p "$root"/{run,tmp,var/www/html,var/log/nginx,var/lib/nginx,etc/nginx}
printf 'root:x:0:0:root:/:/sbin/nologin\nwww-data:x:33:33:www-data:/var/www:/sbin/nologin\n' > "$root/etc/passwd"
printf 'root:x:0:\nwww-data:x:33:\n' > "$root/etc/group"
cat > "$root/etc/nginx/nginx.conf" <<'CONF'
user www-data;
worker_processes 1;
error_log /dev/stderr;
pid /run/nginx.pid;
events { worker_connections 1024; }
http {
  include mime.types;
  access_log /dev/stdout;
  server {
    listen 80;
    listen [::]:80;
    root /usr/share/nginx/html;
    location = /hostname { default_type text/plain; return 200 "$hostname\n"; }
  }
}
CONF
"$cloudless" image pack --rootfs "$root" --reference docker.io/library/nginx:demo --output "$output" \
  --expose 80/tcp --entrypoint /usr/sbin/nginx --cmd=-g --cmd='daemon off;'
rm -rf "$work"
