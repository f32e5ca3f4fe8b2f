# A static binary and nothing else: no shell, no package manager, an unprivileged user.
#
#   docker build --build-arg VERSION=$(git describe --tags --always) --build-arg COMMIT=$(git rev-parse HEAD) -t zgproxy .
#
# Give it limits when it runs: docker run --memory 1g --memory-swap 1g --pids-limit 512 --ulimit nofile=65536 ...
# It reads the memory limit of its control group and keeps within nine tenths of it, unless GOMEMLIMIT is set (docs/limits.md).

FROM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY cmd ./cmd
COPY internal ./internal
ARG VERSION=devel
ARG COMMIT=unknown
RUN CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X main.version=${VERSION} -X main.commit=${COMMIT}" -o /out/zgproxy ./cmd/zgproxy
RUN mkdir -p /rootfs/data /rootfs/tmp /rootfs/etc/ssl/certs \
    && cp /etc/ssl/certs/ca-certificates.crt /rootfs/etc/ssl/certs/ \
    && cp /out/zgproxy /rootfs/zgproxy \
    && chown 65532:65532 /rootfs/data && chmod 700 /rootfs/data && chmod 1777 /rootfs/tmp

FROM scratch
COPY --from=build /rootfs/ /
# Callers come from outside the container, so it listens on every address, and warns unless ZGPROXY_API_KEYS is set.
# The operator's side stays inside the container until ZGPROXY_ADMIN_LISTEN says otherwise.
ENV ZGPROXY_HOST=0.0.0.0 \
    ZGPROXY_DATA_DIR=/data \
    ZGPROXY_LOG_FORMAT=json
USER 65532:65532
VOLUME /data
EXPOSE 3000 3090
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=5s --start-period=20s --retries=3 CMD ["/zgproxy", "healthcheck"]
ENTRYPOINT ["/zgproxy"]
CMD ["serve"]
