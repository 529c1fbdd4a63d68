# Sourced by scripts/test: the clients and servers that the tests want, and which of them are not there.

# where servers are, which is not on everybody's PATH
PATH=$PATH:/usr/sbin:/sbin

# command=Debian package; Net::FTP, a module, comes with perl
clients="curl=curl lftp=lftp ncftpget=ncftp tnftp=tnftp inetutils-ftp=inetutils-ftp wget=wget rclone=rclone
    busybox=busybox perl=perl systemd-analyze=systemd mariadbd=mariadb-server pg_lsclusters=postgresql
    fusermount3=fuse3"

missing() {
    for client in $clients; do
        command -v "${client%%=*}" >/dev/null 2>&1 || echo "${client##*=}"
    done
    ! command -v perl >/dev/null 2>&1 || perl -MNet::FTP -e 1 2>/dev/null || echo perl
}
