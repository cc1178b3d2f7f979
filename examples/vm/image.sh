#!/bin/sh
# Builds the machine's disk: image.sh FOLDER TEOF. As root. See run.sh.
set -eu
work=$1 teof=$2 here=$(cd "$(dirname "$0")" && pwd)
tree=$work/tree
if [ ! -e "$work/packages" ]; then
  rm -rf "$tree"
  # systemd 257, Docker 26
  debootstrap --variant=minbase --include=linux-image-amd64,systemd-sysv,dbus,dbus-user-session,libpam-systemd,udev,iproute2,procps,git,tmux,python3,openssh-server,docker.io,docker-cli,busybox-static,initramfs-tools \
    "${SUITE:-trixie}" "$tree" ${MIRROR:+"$MIRROR"}
  touch "$work/packages"
fi
[ -e "$work/key" ] || ssh-keygen -q -t ed25519 -N '' -f "$work/key"
inside() { chroot "$tree" "$@"; }
inside id dev >/dev/null 2>&1 || inside useradd -m -s /bin/bash -u 1000 dev
inside usermod -aG docker -p '*' dev
for home in root home/dev; do
  mkdir -p "$tree/$home/.ssh"
  cp "$work/key.pub" "$tree/$home/.ssh/authorized_keys"
done
inside chown -R dev:dev /home/dev
# Its user manager runs without a login, and ssh needs no session of its own.
mkdir -p "$tree/var/lib/systemd/linger"
touch "$tree/var/lib/systemd/linger/dev"
printf 'UsePAM no\nUseDNS no\nMaxSessions 50\n' > "$tree/etc/ssh/sshd_config.d/vm.conf"
printf '[Match]\nName=eth* en* vec*\n[Network]\nAddress=10.0.2.15/24\n' > "$tree/etc/systemd/network/10-vm.network"
echo 'LABEL=root / ext4 defaults,errors=remount-ro 0 1' > "$tree/etc/fstab"
echo vm > "$tree/etc/hostname"
printf '127.0.0.1 localhost\n127.0.1.1 vm\n' > "$tree/etc/hosts"
# Containers of the checks have no network; some kernels have no packet filter.
mkdir -p "$tree/etc/docker"
echo '{"iptables": false, "ip6tables": false, "bridge": "none"}' > "$tree/etc/docker/daemon.json"
inside systemctl enable -q systemd-networkd ssh
# A check starts the engine.
inside systemctl disable -q docker.service docker.socket containerd.service
for unit in apt-daily.timer apt-daily-upgrade.timer fstrim.timer dpkg-db-backup.timer e2scrub_all.timer systemd-networkd-wait-online.service; do
  ln -sf /dev/null "$tree/etc/systemd/system/$unit"
done
# User Mode Linux brings its modules.
[ ! -d /usr/lib/uml/modules ] || cp -a /usr/lib/uml/modules/. "$tree/lib/modules/"
install -m 755 "$teof" "$tree/usr/local/bin/teof"
mkdir -p "$tree/usr/local/share/vm"
cp "$here/agent.sh" "$here/project.sh" "$tree/usr/local/share/vm/"
cp "$tree"/boot/vmlinuz-* "$work/vmlinuz"
cp "$tree"/boot/initrd.img-* "$work/initrd"
rm -f "$work/base.img"
# A file system made from a folder needs no loop device.
mke2fs -q -t ext4 -L root -d "$tree" "$work/base.img" 6G
