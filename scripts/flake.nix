# For Nix, from a checkout:
#
#   nix profile install ./scripts
#
# and with Home Manager `homeManagerModules.default`, which adds:
#
#   services.vmux.enable = true;
#   services.vmux.settings.terminal = "foot";    # config.toml, see vmux-configuration(7)
#
# scripts/dist-test evaluates all of it against a stand-in for nixpkgs. To build it takes nixpkgs itself, which
# those tests do without.
{
  description = "See which AI coding session needs you, and be there";

  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-unstable";

  outputs = { self, nixpkgs }:
    let
      inherit (nixpkgs) lib;
      each = lib.genAttrs [ "x86_64-linux" "aarch64-linux" ];
      manifest = (builtins.fromTOML (builtins.readFile ../Cargo.toml)).package;
    in
    {
      packages = each (system:
        let pkgs = nixpkgs.legacyPackages.${system}; in
        {
          default = pkgs.rustPlatform.buildRustPackage {
            pname = "vmux";
            inherit (manifest) version;
            src = ../.;
            cargoLock.lockFile = ../Cargo.lock;
            nativeBuildInputs = [ pkgs.installShellFiles ];
            # They want desktops, terminals and the coding tools.
            doCheck = false;
            postInstall = ''
              $out/bin/vmux man --dir man1
              installManPage man1/* man7/*
              installShellCompletion --cmd vmux \
                --bash <($out/bin/vmux completions bash) \
                --zsh <($out/bin/vmux completions zsh) \
                --fish <($out/bin/vmux completions fish)
              install -Dm644 -t $out/lib/systemd/user scripts/vmux.service
              substituteInPlace $out/lib/systemd/user/vmux.service --replace-fail /usr/bin/vmux $out/bin/vmux
              install -Dm644 -t $out/share/applications scripts/vmux.desktop
              install -Dm644 -t $out/share/icons/hicolor/scalable/apps rofi/vmux.svg
              install -Dm644 -t $out/share/rofi/themes rofi/vmux.rasi
            '';
            meta = {
              inherit (manifest) description homepage;
              license = lib.licenses.mit;
              mainProgram = "vmux";
              platforms = lib.platforms.linux;
            };
          };
        });

      homeManagerModules.default = { config, lib, pkgs, ... }:
        let
          cfg = config.services.vmux;
          toml = pkgs.formats.toml { };
          unit = { source = "${cfg.package}/lib/systemd/user/vmux.service"; };
        in
        {
          options.services.vmux = {
            enable = lib.mkEnableOption "vmux, the registry of AI coding sessions";
            package = lib.mkOption {
              type = lib.types.package;
              default = self.packages.${pkgs.stdenv.hostPlatform.system}.default;
              description = "The package of vmux.";
            };
            settings = lib.mkOption {
              inherit (toml) type;
              default = { };
              description = "What config.toml says; vmux-configuration(7) has it all.";
            };
          };
          config = lib.mkIf cfg.enable {
            home.packages = [ cfg.package ];
            # The unit as the package has it, started with each login.
            xdg.configFile = {
              "systemd/user/vmux.service" = unit;
              "systemd/user/default.target.wants/vmux.service" = unit;
            } // lib.optionalAttrs (cfg.settings != { }) {
              "vmux/config.toml".source = toml.generate "vmux.toml" cfg.settings;
            };
          };
        };
    };
}
